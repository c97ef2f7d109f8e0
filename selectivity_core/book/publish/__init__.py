"""From notebooks to a rendered book: running them, fetching what pages need, checking what came out."""
