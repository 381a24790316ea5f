"""``python -m mtpot.cli`` is ``mlp``."""

import sys

from mtpot.cli import main

sys.exit(main())
