// A scroller of very many images: only cells in view exist, and only those that stay in view load their image.

const HEAD = 44; // height of a section's title in pixels
const CAPTION = 22;
const GAP = 6;
const MARGIN = 300; // pixels above and below the view where cells exist, too
const SETTLE = 70; // milliseconds after which images load that were scrolled past quickly
const LOADS = 8; // images that begin to load in one frame

export class Scroller {
  // place: the element that scrolls; canvas: its content; fill(cell, index, section): shows an image in a cell.
  constructor(place, canvas, fill) {
    Object.assign(this, { place, canvas, fill, side: 120, sections: [], cells: new Map(), heads: new Map(), spare: [] });
    this.made = 0;
    this.frame = this.timer = 0;
    this.last = 0;
    place.addEventListener('scroll', () => this.request(), { passive: true });
    new ResizeObserver(() => this.arrange()).observe(place);
  }

  // sections: {title, start, count}, in order; all images together are numbered from 0.
  show(sections) {
    this.sections = sections;
    this.arrange();
  }

  arrange() {
    const width = this.place.clientWidth - GAP;
    this.columns = Math.max(1, Math.floor(width / (this.side + GAP)));
    this.left = Math.max(GAP, (width - this.columns * (this.side + GAP)) / 2 + GAP);
    this.height = this.side + CAPTION + GAP;
    let top = 0;
    for (const section of this.sections) {
      section.top = top;
      top += HEAD + Math.ceil(section.count / this.columns) * this.height + GAP;
    }
    this.canvas.style.height = `${Math.max(top, 1)}px`;
    for (const index of [...this.cells.keys()]) this.release(index);
    this.draw();
  }

  sectionOf(index) {
    return this.sections.find(({ start, count }) => index < start + count);
  }

  // Position of an image in the canvas.
  position(index, section = this.sectionOf(index)) {
    const place = index - section.start;
    return {
      x: this.left + (place % this.columns) * (this.side + GAP),
      y: section.top + HEAD + Math.floor(place / this.columns) * this.height,
    };
  }

  // Images that touch a rectangle of the canvas.
  within(left, top, right, bottom) {
    const found = [];
    for (const section of this.sections) {
      const above = top - section.top - HEAD;
      const first = Math.max(0, Math.floor(above / this.height));
      const last = Math.min(Math.ceil(section.count / this.columns) - 1, Math.floor((bottom - section.top - HEAD) / this.height));
      const from = Math.max(0, Math.ceil((left - this.left - this.side) / (this.side + GAP)));
      const to = Math.min(this.columns - 1, Math.floor((right - this.left) / (this.side + GAP)));
      for (let row = first; row <= last; row += 1) {
        for (let column = from; column <= to; column += 1) {
          const place = row * this.columns + column;
          if (place < section.count) found.push(section.start + place);
        }
      }
    }
    return found;
  }

  // The last image of the row of an image.
  rowEnd(index) {
    const { start, count } = this.sectionOf(index);
    return Math.min(start + count, start + (Math.floor((index - start) / this.columns) + 1) * this.columns) - 1;
  }

  reveal(index) {
    const { y } = this.position(index);
    const { scrollTop, clientHeight } = this.place;
    if (y < scrollTop + HEAD) this.place.scrollTop = y - HEAD;
    else if (y + this.height > scrollTop + clientHeight) this.place.scrollTop = y + this.height - clientHeight;
    this.draw();
  }

  request() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const { scrollTop, clientHeight } = this.place;
    const [top, bottom] = [scrollTop - MARGIN, scrollTop + clientHeight + MARGIN];
    const wanted = new Map();
    const titles = new Set();
    for (const section of this.sections) {
      const height = HEAD + Math.ceil(section.count / this.columns) * this.height;
      if (section.top > bottom || section.top + height < top) continue;
      titles.add(section);
      const first = Math.max(0, Math.floor((top - section.top - HEAD) / this.height)) * this.columns;
      const last = Math.min(section.count, (Math.floor((bottom - section.top - HEAD) / this.height) + 1) * this.columns);
      for (let place = first; place < last; place += 1) wanted.set(section.start + place, section);
    }
    for (const index of [...this.cells.keys()]) if (!wanted.has(index)) this.release(index);
    const isFast = Math.abs(scrollTop - this.last) > this.side / 2;
    let loads = isFast ? 0 : LOADS;
    this.last = scrollTop;
    let waits = false;
    for (const [index, section] of wanted) {
      let cell = this.cells.get(index);
      if (!cell) {
        cell = this.spare.pop() ?? this.make();
        this.cells.set(index, cell);
        const { x, y } = this.position(index, section);
        Object.assign(cell.box.style, { left: `${x}px`, top: `${y}px` });
        cell.index = index;
        this.fill(cell, index, section);
        cell.box.hidden = false;
      }
      if (cell.source && loads > 0) {
        this.load(cell);
        loads -= 1;
      } else if (cell.source) waits = true;
    }
    clearTimeout(this.timer);
    if (waits) this.timer = setTimeout(() => this.request(), isFast ? SETTLE : 0);
    for (const [section, head] of this.heads) if (!titles.has(section)) { head.remove(); this.heads.delete(section); }
    for (const section of titles) {
      let head = this.heads.get(section);
      if (!head) {
        head = document.createElement('div');
        head.className = 'section-title';
        head.setAttribute('aria-hidden', 'true'); // each image is described with it
        head.textContent = section.title;
        this.heads.set(section, head);
        this.canvas.append(head);
      }
      head.style.transform = `translateY(${section.top}px)`;
    }
  }

  // Fill the cells in view again.
  refresh() {
    for (const [index, cell] of this.cells) this.fill(cell, index, this.sectionOf(index));
  }

  make() {
    const box = document.createElement('div');
    const img = document.createElement('img');
    const text = document.createElement('span');
    this.made += 1;
    box.id = `cell-${this.made}`;
    box.className = 'cell';
    box.setAttribute('role', 'option');
    Object.assign(img, { alt: '', decoding: 'async', draggable: false });
    text.className = 'caption';
    box.append(img, text);
    this.canvas.append(box);
    img.addEventListener('error', () => { if (img.hasAttribute('src')) box.classList.add('broken'); });
    const cell = { box, img, text, source: null };
    box.cell = cell;
    return cell;
  }

  // Set the address of the image of a cell, which loads when the cell stays in view.
  want(cell, address) {
    if (cell.address === address) return;
    cell.img.removeAttribute('src');
    cell.box.classList.remove('broken');
    cell.address = cell.source = address;
  }

  load(cell) {
    cell.img.src = cell.source;
    cell.source = null;
  }

  release(index) {
    const cell = this.cells.get(index);
    this.cells.delete(index);
    cell.img.removeAttribute('src'); // also ends its request
    cell.address = cell.source = null;
    cell.box.hidden = true;
    this.spare.push(cell);
  }
}
