"""Plots of what was measured, as matplotlib's figures: needs the extra `plots`. Only `style.save` writes anything."""
