"""Programs for whoever works on ixpemu; none is part of the package."""
