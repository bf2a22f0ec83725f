"""An address in front of the application that shows mistakes in its pages, and loads them anew: decision 18."""
