// The longer side of the images at some addresses in pixels; null where none comes in time.
// arguments: the addresses; the longest wait in milliseconds.
const [addresses, longest] = arguments;
const measured = (address) =>
  new Promise((done) => {
    const img = new Image();
    img.onload = () => done(Math.max(img.naturalWidth, img.naturalHeight) || null);
    img.onerror = () => done(null);
    setTimeout(done, longest, null);
    img.src = address;
  });
return Promise.all(addresses.map(measured));
