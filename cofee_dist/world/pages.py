"""All pages of the wiki: articles, redirects, disambiguations, and the other namespaces."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from cofee_dist.world.articles import Article
from cofee_dist.world.dump import Page
from cofee_dist.world.facts import TYPE_OF, Facts
from cofee_dist.world.links import homonyms
from cofee_dist.world.markup import Dresser, concept_page, disambiguation

#: Articles that have a talk page.
TALK_SHARE = 0.1

_Draft = tuple[str, str, int, str | None, str]  # title, text, namespace, redirect, model


def make_pages(
    rng: random.Random, facts: Facts, articles: Sequence[Article], redirects: Mapping[str, str]
) -> list[Page]:
    """Pages in the order of their ids, kinds mixed as in a real dump."""
    dresser = Dresser(rng, facts, redirects)
    drafts: list[_Draft] = [(article.title, dresser.wikitext(article), 0, None, "wikitext") for article in articles]
    titles = {article.title for article in articles}
    drafts += [_redirect(rng, title, target) for title, target in redirects.items()]
    # A redirect to a redirect: MediaWiki follows one, dumps have both.
    if redirects:
        first = next(iter(redirects))
        drafts.append(_redirect(rng, f"{first} (name)", first))
    seen = [item for item in facts.all_items if not item.unseen]
    for name, items in homonyms(seen).items():
        title = f"{name} (disambiguation)" if name in titles or name in redirects else name
        if title not in {item.title for item in items}:
            drafts.append((title, disambiguation(name, items), 0, None, "wikitext"))
    drafts += [
        (concept.title, concept_page(concept), 0, None, "wikitext")
        for concepts in facts.concepts.values()
        for concept in concepts
    ]
    drafts += _other_namespaces(rng, articles)
    rng.shuffle(drafts)
    return [Page(10 + 3 * i, *draft) for i, draft in enumerate(_unique(drafts))]


def _unique(drafts: Sequence[_Draft]) -> list[_Draft]:
    """A title has one page."""
    return list({draft[0]: draft for draft in drafts}.values())


def _redirect(rng: random.Random, title: str, target: str) -> _Draft:
    word = rng.choice(("#REDIRECT", "#redirect", "#Redirect:"))
    return title, f"{word} [[{target}]]\n\n{{{{R from alternative name}}}}\n", 0, target, "wikitext"


def _other_namespaces(rng: random.Random, articles: Sequence[Article]) -> list[_Draft]:
    drafts: list[_Draft] = []
    for article in articles:
        if rng.random() < TALK_SHARE:
            text = f"== Sources ==\nIs [[{article.title}]] well sourced? --[[User:Editor 1|Editor 1]] 12:00 (UTC)\n"
            drafts.append((f"Talk:{article.title}", text, 1, None, "wikitext"))
    for kind in TYPE_OF:
        infobox = (
            f'<includeonly>{{| class="infobox"\n! {{{{{{name|{{{{PAGENAME}}}}}}}}}}\n|-\n| {{{{#if:{{{{{{image|}}}}}}|'
            f"[[File:{{{{{{image}}}}}}|220px]]}}}}\n|}}[[Category:{kind.capitalize()}s]]</includeonly>"
            f"<noinclude>Box for a {kind}.</noinclude>\n"
        )
        drafts.append((f"Template:Infobox {kind}", infobox, 10, None, "wikitext"))
        drafts.append((f"Category:{kind.capitalize()}s", f"Pages on each {kind}.\n", 14, None, "wikitext"))
    lua = "local p = {}\nfunction p.main(frame) return frame.args[1] < 2 and '[[x]]' or '' end\nreturn p\n"
    return [
        *drafts,
        ("User:Editor 1", "I write about [[football]] & rivers < 10&nbsp;km.\n", 2, None, "wikitext"),
        ("Project:Manual of style", "Link '''once''': see [[Talk:Main Page]].\n", 4, None, "wikitext"),
        ("File:View 1.jpg", "{{Information|description=A view}}\n", 6, None, "wikitext"),
        ("Module:Distance", lua, 828, None, "Scribunto"),
    ]
