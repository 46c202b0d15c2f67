"""The learned quasi-Newton rule: made, measured, taken apart."""
