from hypothesis import settings

# A busy machine must not fail a test: what is slow shows in pytest's durations.
settings.register_profile("runledger", deadline=None)
settings.load_profile("runledger")
