// Try an image.

export function setUp() {}

export function draw() {}
