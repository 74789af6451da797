// Images dropped onto a class.

export function setUp() {}

export function draw() {}
