"""What has to hold: ends of runs, bounds, attacks."""
