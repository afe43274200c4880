"""What vct and its witness both read: arrays (Z, Y, X) on voxels of 2 mm, made without either."""

import numpy as np

SPACING_MM = 2.0


def digital_phantom() -> tuple[np.ndarray, np.ndarray]:
    """IBSI's digital phantom (arXiv 1612.07003, chapter 5): 4 slices of 4 rows of 5 columns, and its region."""
    image = np.array(
        [
            [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
            [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [1, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
            [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 9, 1, 1], [1, 1, 6, 1, 1]],
            [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
        ],
        dtype=np.float64,
    )
    mask = np.ones(image.shape, dtype=bool)
    for outside in ((1, 2, 0), (2, 0, 3), (2, 0, 4), (2, 2, 2), (3, 0, 3), (3, 0, 4)):
        mask[outside] = False
    return image, mask


def lesion() -> tuple[np.ndarray, np.ndarray]:
    """A lopsided lesion with two summits and a ripple in a background of 1, and a ball about it."""
    z, y, x = np.meshgrid(*(np.arange(n) * SPACING_MM for n in (28, 34, 36)), indexing="ij")
    first = 7.0 * np.exp(-((x - 30) ** 2 / 120 + (y - 32) ** 2 / 90 + (z - 26) ** 2 / 150))
    second = 5.0 * np.exp(-((x - 44) ** 2 / 60 + (y - 36) ** 2 / 80 + (z - 30) ** 2 / 60))
    ripple = 0.4 * np.sin(x / 3.1) * np.sin(y / 2.7 + 0.5) * np.sin(z / 3.7 + 1.0)
    mask = (x - 35) ** 2 + (y - 33) ** 2 + (z - 28) ** 2 <= 20.0**2
    return np.asarray(1.0 + first + second + ripple, dtype=np.float64), mask
