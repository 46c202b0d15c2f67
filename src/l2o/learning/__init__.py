"""What solved problems teach about those to come: where they end, what curvature is there, what a start tells."""
