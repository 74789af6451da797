// Scores of search results: phrases in titles and headings first, how-to pages before others.
var Scorer = {
  score: ([page, , , , score, , kind]) =>
    score * (kind === "title" ? 4 : 1) + (/^how-to\/(?!index)/.test(page) ? 10 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
