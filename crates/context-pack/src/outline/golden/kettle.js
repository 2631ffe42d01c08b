'use strict';
const BOILING = 100;

export class Kettle {
  constructor(degrees) {
    this.degrees = degrees;
  }
  boils() {
    return this.degrees >= BOILING;
  }
}

export default function pour(kettle, cups) {
  const inner = 1;
  return cups;
}

export const whistle = async (loudness) => {
  return loudness > 3;
};
