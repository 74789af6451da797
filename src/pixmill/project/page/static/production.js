// Promote the model, or go back to the one before.

export function setUp() {}

export function draw() {}
