export interface Vessel {
  degrees: number;
  heat(by: number): State;
}

type State = 'cold' | 'hot';

export abstract class Kettle implements Vessel {
  degrees = 20;
  abstract whistle(): void;
  heat(by: number): State {
    this.degrees += by;
    return this.degrees >= 100 ? 'hot' : 'cold';
  }
}

export enum Size { Small, Large }

declare function pour(cups: number): void;

export class Lid {
  private open = async (by: number): Promise<void> => {
    await by;
  };
  closed = true;
}

export const pourAll = async (
  kettle: Kettle,
  cups: number,
): Promise<void> => {
  const inner = 1;
};
