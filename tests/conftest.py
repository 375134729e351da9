"""What all tests share."""

from hypothesis import settings

settings.register_profile("handmade", deadline=None)  # no test may fail because the machine was busy
settings.load_profile("handmade")
