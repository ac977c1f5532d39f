"""What is to be reached, and whether it was."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Goals:
    missed: list[str] = field(default_factory=list)

    def at_most(self, name: str, value: float, bound: float) -> None:
        verdict = "reached" if value <= bound else "MISSED"
        print(f"  {verdict:7} {name}: {value:.3g}, at most {bound:g}")
        if value > bound:
            self.missed.append(name)
