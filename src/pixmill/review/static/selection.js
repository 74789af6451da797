// Selection of images: by click, by shift and click, by a frame, by keys. It holds rows, which keep their number.

const SLACK = 6; // pixels after which a press becomes a frame

export class Selection {
  // rowAt(index): the row of an image; count(): their number; changed(): called after each change;
  // isRanked(index): whether its section has an order, so that all above a line can be selected.
  // left: rows that were selected and then were not.
  constructor(scroller, { rowAt, count, changed, isRanked = () => true }) {
    Object.assign(this, { scroller, rowAt, count, changed, isRanked, rows: new Set(), left: new Set(), focus: 0, anchor: 0, hovered: null });
    const { place, canvas } = scroller;
    this.frame = document.createElement('div');
    this.frame.className = 'frame';
    this.frame.hidden = true;
    this.line = document.createElement('div');
    this.line.className = 'line';
    this.line.hidden = true;
    for (const mark of [this.frame, this.line]) {
      mark.setAttribute('aria-hidden', 'true');
      canvas.append(mark);
    }
    canvas.addEventListener('pointerdown', (event) => this.press(event));
    place.addEventListener('pointermove', (event) => this.hover(event));
    place.addEventListener('pointerleave', () => { this.hovered = null; this.mark(); });
  }

  forget() {
    this.rows.clear();
    this.left.clear();
  }

  clear() {
    this.forget();
    this.changed();
  }

  toggle(index) {
    const row = this.rowAt(index);
    if (this.rows.delete(row)) this.left.add(row);
    else this.rows.add(row);
    this.anchor = index;
    this.changed();
  }

  // Select from the last toggled image to this one.
  extend(index) {
    for (let at = Math.min(this.anchor, index); at <= Math.max(this.anchor, index); at += 1) this.rows.add(this.rowAt(at));
    this.changed();
  }

  // Select the images of the section above the line.
  above() {
    const index = this.lined();
    if (index === null) return;
    const end = this.scroller.rowEnd(index);
    for (let at = this.scroller.sectionOf(index).start; at <= end; at += 1) this.rows.add(this.rowAt(at));
    this.changed();
  }

  move(index, extends_ = false) {
    if (!this.count()) return;
    this.focus = Math.max(0, Math.min(this.count() - 1, index));
    this.hovered = null;
    this.scroller.reveal(this.focus);
    if (extends_) this.extend(this.focus);
    else this.changed();
  }

  point(event) {
    const box = this.scroller.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  hover(event) {
    const cell = event.target.closest('.cell')?.cell;
    if (!cell || cell.index === this.hovered) return;
    this.hovered = cell.index;
    this.mark();
  }

  // Return the image above the line; null without a line.
  lined() {
    const index = this.hovered ?? this.focus;
    return index < this.count() && this.isRanked(index) ? index : null;
  }

  // Draw the line below the row of the pointer, else of the focus.
  mark() {
    const index = this.lined();
    this.line.hidden = index === null;
    if (this.line.hidden) return;
    const { y } = this.scroller.position(index);
    this.line.style.transform = `translateY(${y + this.scroller.height - 4}px)`;
  }

  press(event) {
    if (event.button !== 0) return;
    const start = this.point(event);
    const cell = event.target.closest('.cell')?.cell;
    const before = new Set(this.rows);
    let isFrame = false;
    const drag = (move) => {
      if (move.pointerType === 'touch') return;
      const end = this.point(move);
      isFrame ||= Math.hypot(end[0] - start[0], end[1] - start[1]) > SLACK;
      if (!isFrame) return;
      const [left, right] = [Math.min(start[0], end[0]), Math.max(start[0], end[0])];
      const [top, bottom] = [Math.min(start[1], end[1]), Math.max(start[1], end[1])];
      Object.assign(this.frame.style, { transform: `translate(${left}px, ${top}px)`, width: `${right - left}px`, height: `${bottom - top}px` });
      this.frame.hidden = false;
      this.rows = new Set([...before, ...this.scroller.within(left, top, right, bottom).map(this.rowAt)]);
      const { place } = this.scroller;
      const box = place.getBoundingClientRect();
      if (move.clientY > box.bottom - 20) place.scrollTop += 20;
      if (move.clientY < box.top + 20) place.scrollTop -= 20;
      this.changed();
    };
    const end = (up) => {
      document.removeEventListener('pointermove', drag);
      this.frame.hidden = true;
      if (isFrame || up.type === 'pointercancel' || !cell) return;
      this.focus = cell.index;
      if (up.shiftKey) this.extend(cell.index);
      else this.toggle(cell.index);
    };
    document.addEventListener('pointermove', drag);
    document.addEventListener('pointerup', end, { once: true });
  }
}
