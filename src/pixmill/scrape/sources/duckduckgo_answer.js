// Ask for one page of results as the page's own script does, with its cookies and headers.
// arguments: the path; the longest wait in milliseconds; the most characters.
const [path, longest, most] = arguments;
const tile = (result) => {
  const image = web(result?.image);
  const thumbnail = web(result?.thumbnail);
  return {
    key: image ?? thumbnail,
    image,
    thumbnail,
    page: web(result?.url),
    title: told(result?.title),
    width: pixels(result?.width),
    height: pixels(result?.height),
    route: image ? "json" : "thumbnail",
  };
};
const parsed = (text) => {
  try {
    const { results, next } = JSON.parse(text);
    const place = new URLSearchParams(String(next ?? "").split("?")[1] ?? "").get("s");
    return Array.isArray(results) ? { tiles: results.map(tile).filter(({ key }) => key), place } : {};
  } catch {
    return {};
  }
};
return fetch(path, { signal: AbortSignal.timeout(longest) })
  .then(async (answer) => {
    const text = (await answer.text()).slice(0, most);
    return { status: answer.status, text: text.slice(0, 1000).toWellFormed(), ...(answer.status === 200 && parsed(text)) };
  })
  .catch((error) => ({ status: 0, text: String(error) }));
