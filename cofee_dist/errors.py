"""The one exception that is the user's to mend."""


class UserError(Exception):
    """A mistake that the user can mend: says what is wrong, where, and what to do.

    The command line prints it without a traceback and ends with exit code 2.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        lines = [what]
        if where is not None:
            lines.append(f"  where: {where}")
        if fix is not None:
            lines.append(f"  to do: {fix}")
        super().__init__("\n".join(lines))
