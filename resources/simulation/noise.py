"""Random words that can be read from any position, and the distributions made of them.

Only integer arithmetic and correctly rounded operations are used: numpy promises that the words of Philox
stay the same from release to release, but not what `Generator.normal` makes of them.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.float64]

WORDS_PER_STEP = 4  # of Philox 4x64: the unit in which its position is counted
SIXTEEN_BITS = np.uint64(0xFFFF)


class Stream:
    """A random sequence of its own for every name."""

    def __init__(self, *names: object) -> None:
        digest = blake2b("|".join(map(str, names)).encode(), digest_size=16).digest()
        self._key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def words(self, first: int, count: int, size: int) -> Words:
        """Records ``first`` to ``first + count`` of ``size`` words each, shape (count, size).

        ``size`` is a multiple of 4; the same record holds the same words in whatever range it is read.
        """
        generator = np.random.Philox(key=self._key)
        generator.advance(first * (size // WORDS_PER_STEP))
        words: Words = generator.random_raw(count * size)
        return words.reshape(count, size)


def uniform(words: Words) -> Numbers:
    """Numbers in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bell(words: Words) -> Numbers:
    """Nearly normal numbers, mean 0, variance 1, within +-3.46.

    Sums of four 16-bit numbers (Irwin-Hall). The market's fat tails come from regimes, hours and jumps;
    bounded noise is what keeps prices within sane magnitudes for a century.
    """
    total = words & SIXTEEN_BITS
    for shift in (16, 32, 48):
        total = total + ((words >> np.uint64(shift)) & SIXTEEN_BITS)
    numbers: Numbers = (total.astype(np.float64) - 131_070.0) * (3.0**0.5 / 65_536.0)
    return numbers
