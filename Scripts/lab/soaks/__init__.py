"""The modules that `Scripts/soak` runs; each puts one subject under load or change for a long time."""
