"""Labels for many images at once, in a grid."""
