"""Known wrong answers and right variants, a module a day, named as the day's source is."""
