"""The type checker that runs under test: beartype, with integers allowed where a float is asked for."""

import random
from unittest import mock

# beartype draws which element of a list it checks: from a generator of its own, not from Python's, which tests watch.
with mock.patch("random.getrandbits", random.Random(0).getrandbits):
    from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
