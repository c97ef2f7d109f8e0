"""`python -m selectivity_core.cli` is `selectivity`."""

import sys

from . import main

sys.exit(main())
