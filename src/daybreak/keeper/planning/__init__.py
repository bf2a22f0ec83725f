"""From a request to the plan that is carried out: what it means, which way it goes, whether there is room."""
