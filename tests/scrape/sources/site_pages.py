"""Results pages of several kinds, as scripts that draw them."""

CARD = """
const body = document.body;
const card = (id, html = `<img data-src="/media/${id}.png">`) =>
  body.insertAdjacentHTML("beforeend", `<div class="card" data-id="${id}" style="height: 400px">${html}</div>`);
const batch = (from, count) => { for (let id = from; id < from + count; id++) card(id); };
const end = () => body.insertAdjacentHTML("beforeend", "<p data-end>That is all.</p>");
const atBottom = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 50;
"""


def turning(control):
    """Return the script of a page whose control replaces the results after a while, twice."""
    return f"""
        let page = 0;
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", `{control}`);
        const control = document.querySelector(".next");
        (control.querySelector("a") ?? control).onclick = (event) => {{
          const from = 3 * ++page;
          event.preventDefault();
          control.classList.add("disabled");
          setTimeout(() => {{
            document.querySelectorAll(".card").forEach((each) => each.remove());
            batch(from, 3);
            control.classList.toggle("disabled", page === 2);
            body.append(control);
          }}, 300);
        }};"""


PAGES = {
    "short": "batch(0, 3); end();",
    "scrolling": """
        let count = 0;
        const load = () => { batch(count, 5); count += 5; if (count === 15) end(); };
        load();
        onscroll = () => { if (count < 15 && atBottom()) load(); };""",
    "boxed": """
        const box = document.createElement("div");
        box.style = "height: 500px; overflow: auto";
        let count = 0;
        const load = () => { batch(count, 5); box.append(...document.querySelectorAll(".card")); count += 5; };
        body.append(box);
        load();
        box.onscroll = () => {
          if (count < 15 && box.scrollTop + box.clientHeight > box.scrollHeight - 50) load();
          if (count === 15) end();
        };""",
    "turning": turning("<button class=next>Next</button>"),
    "divided": turning("<div class=next style='cursor: pointer'>Next</div>"),
    "hashed": turning("<li class=next><a href=#>Next</a></li>"),
    "single": "batch(0, 3); body.insertAdjacentHTML('beforeend', '<span class=next>Next</span>');",
    "idle": (
        "batch(0, 3); body.insertAdjacentHTML('beforeend', '<button class=next>Next</button>');"
    ),
    "ranged": (
        "batch(0, 3); body.insertAdjacentHTML('beforeend', '<p>1\u20133 of <b>480</b></p>'); end();"
    ),
    "pictures": """
        const blank = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
        const set = "/media/400.jpg 400w, /media/1600.jpg 1600w";
        const picture = (source, img = "") => `<picture><source ${source}><img src="${blank}" ${img}></picture>`;
        card("lazy", picture(`data-srcset="${set}"`, `data-srcset="/media/400.jpg"`));
        card("both", picture(`srcset="${blank}" data-srcset="${set}"`));
        card("plain", picture(`srcset="/media/800.jpg"`, "loading=lazy"));
        end();""",
    "lazy": """
        const svg = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
        const image = (attributes) => `<img src="/tiny/20.png" ${attributes}>`;
        const large = "/media/large.jpg";
        card("original", image(`data-original="${large}"`));
        card("drawing", `<img src="${svg}" data-lazy="${large}">`);
        card("without-suffix", image(`data-src="/image?id=1"`));
        card("zoomed", image(`data-src="/media/400.jpg" data-zoom-image="${large}" data-thumb="/media/50.jpg"`));
        card("set", image(`srcset="/media/320.jpg 320w, ${large} 1280w"`));
        card("tiny-set", image(`srcset="/tiny/40.jpg 40w" data-full="${large}"`));
        card("around", `<span data-original="${large}">${image("data-id='/p/1'")}</span>`);
        card("linked", `<a href="${large}">${image("")}</a>`);
        card("wiki", `<a href="/wiki/File:Hat.jpg">${image(`data-src="${large}"`)}</a>`);
        card("film", image(`data-full-video="/media/1.mp4" data-src="${large}"`));
        card("product", `<a href="/p/1" data-url="/p/1">${image("data-href='/p/1'")}</a>`);
        end();""",
    "marked": """
        let count = 0;
        const mark = document.createElement("div");
        const load = () => { batch(count, 2); count += 2; body.append(mark); if (count === 8) end(); };
        body.append(mark);
        load();
        const below = document.createElement("div");
        below.style = "height: 2000px";
        body.append(below);
        const move = () => { body.append(below); };
        new IntersectionObserver(([{ isIntersecting }]) => {
          if (isIntersecting && count < 8) { setTimeout(() => { load(); move(); }, 150); }
        }).observe(mark);""",
    "slow": """
        let busy = false, count = 5;
        batch(0, 5);
        onscroll = () => {
          if (busy || count === 20 || !atBottom()) return;
          busy = true;
          setTimeout(() => { batch(count, 5); count += 5; busy = false; if (count === 20) end(); }, 400);
        };""",
    "button": """
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", "<button id=more hidden>More</button><button id=consent>OK</button>");
        consent.onclick = () => { consent.remove(); more.hidden = false; };
        more.onclick = () => { more.remove(); batch(3, 3); end(); };""",
    "late": """
        for (let id = 0; id < 12; id++) card(id, `<img loading="lazy">`);
        card("never", "<p>no image here</p>");
        const seen = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
          if (isIntersecting) target.src = `/media/${target.parentElement.dataset.id}.png`;
        }));
        document.querySelectorAll("img").forEach((img) => seen.observe(img));
        end();""",
    "tardy": """
        for (let id = 0; id < 3; id++) {
          card(id, "<img>");
          setTimeout(() => { document.images[id].src = `/media/${id}.png`; }, 250 * (id + 1));
        }
        end();""",
    "counted-out": """
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", "<p class=count>Showing 1-3 of 1,290\u00a0hats (0.45 s)</p>");
        end();""",
    "unloaded": """
        card(0, '<img loading="lazy" style="display: none" src="/media/0.png">');
        end();""",
    "words": """
        card("w", '<a href="/p/1"><img data-src="//other.test/x.png"></a><h3> A \\n hat</h3><p class="price">€ 5</p>');
        card("inlined", '<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">');
        card("odd", '<img data-src="http://[">');
        card("spaced", '<img data-src=" /media/a b\\tc\\u0001.png\\n">');
        end();""",
    "repeating": """
        batch(0, 5);
        onscroll = () => { if (atBottom()) batch(0, 5); };""",
    "stuck": "batch(0, 5);",
    "lost": """
        let heard = 0;
        batch(0, 2);
        onscroll = () => { if (atBottom() && ++heard === 3) { batch(2, 2); end(); } };""",
    "dropped": """
        batch(0, 2);
        if (sessionStorage.opened) { batch(2, 2); } else { sessionStorage.opened = true; fetch("/503"); }""",
    "nothing": "body.insertAdjacentHTML('beforeend', '<p data-nothing>No results.</p>');",
    "blank": "",
    "changed": "body.innerHTML = '<div class=renamed><img src=/x.png></div>'.repeat(20);",
    "patient": """
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", "<a role=button>show more  RESULTS</a>");
        let count = 3;
        document.querySelector("[role=button]").onclick = () => setTimeout(() => {
          batch(count, 3);
          count += 3;
          if (count > 12) document.querySelector("[role=button]").remove();
        }, 200);""",
    "rearranged": """
        batch(0, 10);
        setInterval(() => { body.innerHTML = body.innerHTML; }, 30);""",
    "walled": """
        if (document.cookie.includes("agreed=walled")) batch(0, 3); else location.href = "/consent";""",
    "consent": """
        body.innerHTML = "<h1>Before you continue</h1><form><button type=button>Accept all</button>"
          + "<button type=button value='reject all'>No</button></form>";
        document.querySelectorAll("button")[1].onclick = () => {
          document.cookie = "agreed=walled"; location.href = "/walled";
        };""",
    "wall": "body.innerHTML = '<h1>Before you continue</h1><button id=consent>OK</button>';",
    "overlaid": """
        batch(0, 3);
        body.insertAdjacentHTML("afterbegin", "<h1>Before you continue</h1>");
        end();""",
    "human": "body.innerHTML = '<form id=captcha-form><input></form>';",
    "innocent": (
        "batch(0, 3); body.insertAdjacentHTML('beforeend', '<p>are you a robot did not "
        "match any</p>'); end();"
    ),
    "shell": "body.innerHTML = '<noscript><meta content=0;url=/enablejs></noscript>';",
    "trapped": """
        batch(0, 5);
        onscroll = () => { body.innerHTML = "<form id=captcha-form></form>"; };""",
    "anonymous": "body.innerHTML = '<div class=card></div>'.repeat(5);",
    "blind": "for (let id = 0; id < 5; id++) card(id, '<a href=/p>A hat</a>');",
    "wandering": """
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", `<a id=more href="${location.search.slice(1)}">More</a>`);""",
    "alerting": "batch(0, 3); setTimeout(() => alert('Buy!'), 50);",
    "halved": """
        card("a", '<img data-src="/media/0.png"><h3></h3>');
        document.querySelector("h3").textContent = "A hat " + String.fromCharCode(0xd83d);
        end();""",
    "heavy": """
        card("a", `<img data-src="data:image/png;base64,${"A".repeat(5e6)}">`);
        card("b", `<img data-src="data:image/png;base64,${"A".repeat(3e6)}">`);
        end();""",
    "crowded": "body.innerHTML = '<div class=card><img data-src=/x.png></div>'.repeat(1000); "
    "document"
    ".querySelectorAll('.card').forEach((card, id) => { card.dataset.id = id; }); end();",
    "unending": """
        let count = 0;
        const load = () => { batch(count, 20); count += 20; };
        load();
        onscroll = load;""",
}


def numbered(number, link):
    """Return the script of a page with three cards and an optional link; the last card repeats on the next page."""
    further = f"<a class=next href='{link}'>Next</a>" if link else ""
    return f"batch({2 * number}, 3); body.insertAdjacentHTML('beforeend', `{further}`);"


OVERRIDES = {
    "state": "performance.getEntriesByType = () => [{responseStatus: {}}];",
    "address": "window.URL = function () { return {href: 5}; };",
    "elements": "Array.prototype.push = function () { this[this.length] = document.body; };",
    "lists": "Element.prototype.getAttribute = () => ({trim: () => ({toWellFormed: () => [1]})});",
    "selector": "document.querySelectorAll = () => { throw new DOMException('no'); };",
}
"""Scripts of a page that override builtins."""

PAGES |= {f"override-{name}": f"batch(0, 3); end(); {script}" for name, script in OVERRIDES.items()}
PAGES |= {
    f"pages{number}": numbered(number, f"/pages{number + 1}" if number < 4 else "")
    for number in range(5)
}
PAGES |= {
    "round": numbered(0, "/about"),
    "about": numbered(0, "/round"),
    "away": numbered(0, "http://evil.test/x"),
}
PAGES |= {
    "nowhere": numbered(0, "/about") + "window.URL = function () { return {href: 'http://[x'}; };"
}
PAGES |= {
    "first": numbered(0, "/second"),
    "second": "body.innerHTML = '<form id=captcha-form></form>';",
}
