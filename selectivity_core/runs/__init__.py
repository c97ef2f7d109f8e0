"""Many runs: profiles, the store, checkpoints, sweeps, the archive of results, plans."""
