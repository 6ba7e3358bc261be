/** The one family of errors that padezoo throws on purpose: `catch (e) { if (e instanceof PadezooError) ... }`. */
export class PadezooError extends Error {
  override readonly name: string = 'PadezooError';
}

/** An option was misspelt, of the wrong type or out of range. */
export class OptionsError extends PadezooError {
  override readonly name = 'OptionsError';
}

/** A tensor has a shape or dtype that the operation cannot take. */
export class ShapeError extends PadezooError {
  override readonly name = 'ShapeError';
}
