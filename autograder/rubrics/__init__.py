"""The hidden checks, a module a day, named as the day's source is."""
