/**
 * Says which member of a group should have each unit, as one member is told. It decides who tries, and nothing else: whose a unit is
 * is said by the leader's row and its epoch, so that two members who are told different things do no harm.
 */
export interface Allotment {
  /** Says that this member is there, and gives whose each unit should be now. Asked several times a second. */
  look(): Promise<(unit: number) => string>;
  /** How long another member has to stand as a unit's target before its owner lets it go, in milliseconds. */
  readonly steadyMs: number;
  /** This member is gone from now on. */
  leave(): Promise<void>;
}
