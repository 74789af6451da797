"""Lists of addresses, short and long: each is asked for once, the cost goes with their number, the memory does not."""

from tests.scrape.acts.project import is_image
from tests.scrape.acts.tiny import Tiny, address
from tests.scrape.replicas.world import World


def listed(project, world, count):
    """Make a project with a list of so many addresses, two classes in turn."""
    made = project(world, f"list-of-{count}")
    rows = (f"{address(number)},{'hat' if number % 2 else 'boot'}\n" for number in range(count))
    (made.root / "list.csv").write_text("url,label\n" + "".join(rows))
    made.params("hat", "boot", source="urls", urls={"files": ["list.csv"]}, connections=64, per_host=16)
    return made


def collect(project, world, count):
    """Scrape a list twice; return both runs, of which the second asks nobody."""
    made = listed(project, world, count)
    world.log.clear()
    first = made.succeed()
    asked = [visit.url for visit in world.log.visits() if is_image(visit)]
    assert len(asked) == len(set(asked)) == count
    assert len(made.manifest()) == len(made.sightings()) == count
    assert dict(made.manifest()["label"].value_counts()) == {"hat": count // 2, "boot": count // 2}
    outputs = made.outputs()
    world.log.clear()
    again = made.succeed()
    assert world.log.visits() == []
    assert made.outputs() == outputs
    return first, again


def test_each_address_is_asked_for_once(project):
    with World(Tiny()) as world:
        collect(project, world, 1_000)
