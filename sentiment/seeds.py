"""Every random number generator, seeded in one place."""

import random

import numpy as np


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (its GPU generators included).

    On one processor type, with one number of threads, equal seeds give equal results. On a GPU the last digits can
    differ, because some of its kernels add in an order that changes from run to run.
    """
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
