"""The modules that `Scripts/bench` runs; each measures one subject."""
