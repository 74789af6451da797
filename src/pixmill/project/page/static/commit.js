// Commit the changed files.

export function setUp() {}

export function draw() {}
