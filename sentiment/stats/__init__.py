"""Statistics on arrays. What predicts needs the type alone, not the metrics."""

import numpy as np
from numpy.typing import NDArray

# One row a text, one column a label; every row sums to 1.
Probabilities = NDArray[np.float32]
