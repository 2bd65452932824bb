"""Settings for every test: hypothesis draws the same cases each run, and never judges speed."""

from hypothesis import settings

settings.register_profile("symsim", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("symsim")
