/**
 * Tells one member of a group which member should own each unit. It decides only who tries to. The owner is who stands in the
 * leader's row, by its epoch. So it does no harm if two members are told different things.
 */
export interface Allotment {
  /** Announces this member, and gives the member that should own a unit now. Called several times a second. */
  look(): Promise<(unit: number) => string>;
  /** How long another member has to stand as a unit's target before its owner lets it go, in milliseconds. */
  readonly steadyMs: number;
  /** This member is gone from now on. */
  leave(): Promise<void>;
}
