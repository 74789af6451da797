// Change the params that params.yaml shows.

export function setUp() {}

export function draw() {}
