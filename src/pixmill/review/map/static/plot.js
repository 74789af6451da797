// The picture of the map: dots, thumbnails where there is room, a lasso. It knows nothing of the page around it.

const MAX_ZOOM = 200;
const MAX_THUMBNAILS = 1500; // in memory
const QUICK = 10000; // images that are drawn while the view moves: their order is random
const REST = 140; // milliseconds until a view that moved is drawn completely

export class Plot {
  of = []; // for each image the number of its colour
  colours = []; // the last one is of images that have no value
  rings = new Set(); // images in a ring
  focus = -1; // image at the pointer
  isLasso = false; // whether dragging draws a lasso
  #images = new Map();
  #tiles = []; // images that are thumbnails
  #pointers = new Map();
  #path = [];

  // x, y: typed arrays, from 0 to 1. source(i): address of a thumbnail. on: hover(i), open(i), lasso(images).
  constructor(canvas, { x, y }, source, on) {
    Object.assign(this, { canvas, x, y, source, on, count: x.length });
    this.faded = new Uint8Array(this.count); // 1: neither the legend nor the lasso has it
    this.right = x.reduce((most, value) => Math.max(most, value), 0.01);
    this.bottom = y.reduce((most, value) => Math.max(most, value), 0.01);
    this.area = new Set(Array.from(x, (value, i) => Math.floor(48 * value) + 64 * Math.floor(48 * y[i]))).size / 48 ** 2; // of the clouds
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  #resize() {
    const isWhole = this.scale === this.least; // also at first: neither is known
    Object.assign(this, { width: this.canvas.clientWidth, height: this.canvas.clientHeight });
    Object.assign(this.canvas, { width: this.width * devicePixelRatio, height: this.height * devicePixelRatio });
    if (isWhole) this.fit();
    this.paint();
  }

  fit() {
    const margin = Math.min(48, this.width / 12);
    this.least = Math.min((this.width - 2 * margin) / this.right, (this.height - 2 * margin) / this.bottom);
    this.scale = this.least;
    this.left = (this.width - this.scale * this.right) / 2;
    this.top = (this.height - this.scale * this.bottom) / 2;
    this.paint();
  }

  // Keep a place where it is. Default: the image at the focus, or the one nearest to the middle.
  zoom(factor, x, y) {
    const middle = [this.width / 2, this.height / 2];
    if (x === undefined) {
      const kept = this.focus >= 0 ? this.focus : this.#nearest((a, b) => Math.hypot(a - middle[0], b - middle[1]));
      return this.zoom(factor, ...(kept < 0 ? middle : this.place(kept)));
    }
    const grown = Math.max(this.least / this.scale, Math.min((MAX_ZOOM * this.least) / this.scale, factor));
    this.scale *= grown;
    this.#move((1 - grown) * (x - this.left), (1 - grown) * (y - this.top));
  }

  #move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.isMoving = true;
    this.paint();
    clearTimeout(this.later);
    this.later = setTimeout(() => { this.isMoving = false; this.paint(); }, REST);
  }

  place(i) {
    return [this.left + this.scale * this.x[i], this.top + this.scale * this.y[i]];
  }

  // ---- drawing

  paint() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.width) this.draw(this.canvas.getContext('2d'), devicePixelRatio);
    });
  }

  draw(context, ratio) {
    const style = getComputedStyle(this.canvas);
    for (const name of ['paper', 'ink', 'faint', 'accent']) this[name] = style.getPropertyValue(`--${name}`);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.paper;
    context.fillRect(0, 0, this.width, this.height);
    this.#drawDots(context, ratio);
    for (const i of this.rings) if (!this.faded[i]) this.#ring(context, i, this.ink, this.radius + 2.5, 1.2);
    this.#choose();
    for (const i of this.#tiles) this.#drawTile(context, i);
    if (this.focus >= 0 && !this.#tiles.includes(this.focus)) this.#ring(context, this.focus, this.accent, this.radius + 6, 3);
    context.beginPath();
    for (const place of this.#path) context.lineTo(...place);
    context.closePath();
    Object.assign(context, { strokeStyle: this.accent, lineWidth: 2 });
    context.stroke();
  }

  get radius() {
    return Math.max(1.4, Math.min(7, 0.2 * Math.sqrt((this.width * this.height) / this.count) * (this.scale / this.least) ** 0.4));
  }

  // Those without a value, or that are faded, lie below the others.
  #drawDots(context, ratio) {
    const side = Math.ceil(2 * this.radius + 2);
    const nothing = this.colours.length - 1;
    const faded = `color-mix(in srgb, ${this.faint} 18%, ${this.paper})`;
    const dots = [...this.colours, faded].map((colour, at) => {
      const dot = new OffscreenCanvas(side * ratio, side * ratio);
      const brush = Object.assign(dot.getContext('2d'), { fillStyle: colour, globalAlpha: at === nothing ? 0.55 : 0.85 });
      brush.scale(ratio, ratio);
      brush.arc(side / 2, side / 2, this.radius, 0, 2 * Math.PI);
      brush.fill();
      return dot;
    });
    for (const isBelow of [true, false]) {
      for (let i = 0; i < (this.isMoving ? Math.min(QUICK, this.count) : this.count); i += 1) {
        const kind = this.faded[i] ? nothing + 1 : this.of[i];
        const x = this.left + this.scale * this.x[i];
        const y = this.top + this.scale * this.y[i];
        if (kind >= nothing === isBelow && x > -side && y > -side && x < this.width + side && y < this.height + side) context.drawImage(dots[kind], x - side / 2, y - side / 2, side, side);
      }
    }
  }

  // Choose the images that are thumbnails: the first ones with room around, which is more where images are dense.
  #choose() {
    this.side = Math.min(96, Math.min(38, this.width / 14) * (this.scale / this.least) ** 0.3);
    const crowd = (this.count * (this.side / this.scale) ** 2) / this.area;
    const room = this.side * Math.max(1.1, Math.min(2.6, 0.45 + 0.3 * Math.log2(1 + crowd)));
    const before = this.#tiles;
    const places = [];
    this.#tiles = [];
    const add = (i) => {
      const [x, y] = this.place(i);
      if (this.faded[i] || x < -room || y < -room || x > this.width + room || y > this.height + room) return;
      if (places.some(([a, b]) => Math.abs(a - x) < room && Math.abs(b - y) < room)) return;
      places.push([x, y]);
      this.#tiles.push(i);
    };
    before.forEach(add); // they stay while the view moves
    for (let i = 0; i < (this.isMoving ? Math.min(QUICK, this.count) : this.count); i += 1) add(i);
  }

  #drawTile(context, i) {
    const image = this.#load(i);
    const [left, top, width, height] = this.#frame(i);
    if (!width) return;
    const around = this.rings.has(i) ? this.ink : this.paper;
    for (const [colour, edge] of [[i === this.focus ? this.accent : around, i === this.focus ? 6 : 4.5], [this.colours[this.of[i]], 3]]) {
      context.fillStyle = colour;
      context.beginPath();
      context.roundRect(left - edge, top - edge, width + 2 * edge, height + 2 * edge, edge + 2);
      context.fill();
    }
    context.drawImage(image, left, top, width, height);
  }

  // Left, top, width and height of a thumbnail; empty while it is loading.
  #frame(i) {
    const { naturalWidth, naturalHeight } = this.#load(i);
    const [x, y] = this.place(i);
    const grown = this.side / Math.max(naturalWidth, naturalHeight, 1);
    return [x - (grown * naturalWidth) / 2, y - (grown * naturalHeight) / 2, grown * naturalWidth, grown * naturalHeight];
  }

  #load(i) {
    if (!this.#images.has(i)) this.#images.set(i, Object.assign(new Image(), { src: this.source(i), onload: () => this.paint() }));
    if (this.#images.size > MAX_THUMBNAILS) this.#images.delete(this.#images.keys().next().value);
    return this.#images.get(i);
  }

  #ring(context, i, strokeStyle, radius, lineWidth) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.beginPath();
    context.arc(...this.place(i), radius, 0, 2 * Math.PI);
    context.stroke();
  }

  // ---- pointer and keys

  // The image at a place: a thumbnail, else the nearest dot; -1 without one.
  #at(x, y) {
    const isOn = ([left, top, width, height]) => x >= left && y >= top && x <= left + width && y <= top + height;
    return this.#tiles.findLast((i) => isOn(this.#frame(i))) ?? this.#nearest((a, b) => (Math.hypot(a - x, b - y) < this.radius + 5 ? Math.hypot(a - x, b - y) : Infinity));
  }

  // The image with the least distance(x, y); -1 if all are infinite.
  #nearest(distance) {
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < this.count; i += 1) {
      const far = this.faded[i] ? Infinity : distance(...this.place(i));
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  look(i) {
    if (this.focus === i) return;
    this.focus = i;
    this.canvas.classList.toggle('pointing', i >= 0);
    this.paint();
    this.on.hover(i);
  }

  #listen() {
    const { canvas } = this;
    const listen = (name, act) => canvas.addEventListener(name, (event) => act(event, event.offsetX, event.offsetY), { passive: false });
    listen('pointerdown', (event, x, y) => {
      canvas.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, [x, y]);
      this.begun = [x, y];
      this.look(this.#at(x, y)); // a finger does not hover
      this.#path = this.#pointers.size === 1 && (this.isLasso || event.shiftKey) ? [[x, y]] : [];
    });
    listen('pointermove', (event, x, y) => this.#drag(event.pointerId, x, y));
    const end = (event, x, y) => {
      if (!this.#pointers.delete(event.pointerId)) return;
      const path = this.#path;
      this.#path = [];
      this.paint();
      if (event.type === 'pointercancel') return;
      if (path.length > 3) this.on.lasso(this.#inside(path));
      else if (Math.hypot(x - this.begun[0], y - this.begun[1]) < 4 && this.focus >= 0) this.on.open(this.focus);
    };
    listen('pointerup', end);
    listen('pointercancel', end);
    for (const name of ['pointerleave', 'blur']) listen(name, () => this.look(-1));
    listen('wheel', (event, x, y) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), x, y); });
    listen('keydown', (event) => this.#key(event));
  }

  #drag(pointer, x, y) {
    const before = this.#pointers.get(pointer);
    const [other] = [...this.#pointers].filter(([id]) => id !== pointer).map(([, place]) => place);
    if (!before) return this.look(this.#at(x, y));
    this.#pointers.set(pointer, [x, y]);
    if (this.#path.length) this.#path.push([x, y]);
    else if (other) this.zoom(Math.hypot(x - other[0], y - other[1]) / (Math.hypot(before[0] - other[0], before[1] - other[1]) || 1), ...other);
    else this.#move(x - before[0], y - before[1]);
    this.paint();
  }

  // Arrow keys go to the nearest image in their direction.
  #key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const acts = { '+': () => this.zoom(1.5), '-': () => this.zoom(1 / 1.5), 0: () => this.fit(), Enter: () => this.focus >= 0 && this.on.open(this.focus) };
    if (!step && !acts[event.key]) return;
    event.preventDefault();
    if (!step) return acts[event.key]();
    const [x, y] = this.focus < 0 ? [this.width / 2, this.height / 2] : this.place(this.focus);
    const found = this.#nearest((a, b) => {
      const along = (a - x) * step[0] + (b - y) * step[1];
      const aside = Math.abs((a - x) * step[1]) + Math.abs((b - y) * step[0]);
      return along > 0 && aside <= along ? along + aside : Infinity;
    });
    if (found >= 0) this.look(found);
  }

  // The images inside of a path: a line to the left crosses it an odd number of times.
  #inside(path) {
    const isInside = (i) => {
      const [x, y] = this.place(i);
      return path.filter(([a, b], at) => {
        const [c, d] = path.at(at - 1);
        return b > y !== d > y && x > ((c - a) * (y - b)) / (d - b) + a;
      }).length % 2 === 1;
    };
    return [...this.faded.keys()].filter((i) => !this.faded[i] && isInside(i));
  }
}
