"""`doctor`: what will go wrong, told before it does. A module for each family of causes; none changes a thing."""
