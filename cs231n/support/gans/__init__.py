"""How the GANs of Q5 are trained: steps, histories, checkpoints."""
