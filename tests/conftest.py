"""What holds for all tests."""

from hypothesis import settings

# The same examples each time, no clock (a slow machine is no fault), and nothing kept in the checkout.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")
