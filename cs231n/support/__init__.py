"""Given: what all the rest stands on."""

import os

# torch's threads would spin while they wait for one another, and where other work runs
# beside them for many times as long as a step takes. This is read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
