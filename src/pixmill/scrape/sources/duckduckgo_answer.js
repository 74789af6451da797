// Ask for one page of results as the page's own script does, with its cookies and headers.
// arguments: the path; the longest wait in milliseconds; the most characters.
const [path, longest, most] = arguments;
return fetch(path, { signal: AbortSignal.timeout(longest) })
  .then(async (answer) => ({ status: answer.status, text: (await answer.text()).slice(0, most).toWellFormed() }))
  .catch((error) => ({ status: 0, text: String(error) }));
