"""Many runs: profiles, the store, checkpoints, sweeps, the archive of results, plans, analyses of trained networks."""

from ..errors import required

required("runs", "joblib", "filelock", "pydantic", "yaml", "sklearn")
