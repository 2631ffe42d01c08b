require 'time'

module Kitchen
  BOILING = 100

  class Kettle
    attr_reader :degrees

    def initialize(degrees)
      @degrees = degrees
    end

    def self.full
      new(20)
    end
  end
end

def pour(kettle, cups)
  cups.times { kettle }
end
