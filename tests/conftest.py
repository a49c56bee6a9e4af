"""What holds for all tests."""

from hypothesis import settings

# The same examples each time, no clock (a slow machine is no fault), and nothing kept in the checkout.
settings.register_profile(
    "suite", max_examples=100, derandomize=True, deadline=None, database=None
)
# By hand, for new examples and many of them: pytest --hypothesis-profile search tests/spec
settings.register_profile("search", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("suite")
