"""Images of Ray and one application: what they are built from, building them, and what they weigh."""
